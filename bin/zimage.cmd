@echo off
rem Runs the zimage command from any folder.
rem   JAVA_HOME         the Java to run it with (default: the java on the PATH)
rem   ZIMAGE_JAVA_OPTS  options for Java, separated by blanks, such as -Xmx2g
setlocal

set "HOME_FOLDER=%~dp0.."
set "JAR=%HOME_FOLDER%\zimage-examples\target\zimage.jar"
if not exist "%JAR%" set "JAR=%HOME_FOLDER%\zimage.jar"
if not exist "%JAR%" (
    echo zimage: not built yet: run 'mvn -B -q -DskipTests package' in "%HOME_FOLDER%" 1>&2
    exit /b 1
)

set "JAVA=java"
if defined JAVA_HOME set "JAVA=%JAVA_HOME%\bin\java.exe"
if defined JAVA_HOME if not exist "%JAVA%" (
    echo zimage: there is no "%JAVA%"; set JAVA_HOME to the folder of Java 17 or newer 1>&2
    exit /b 1
)
if not defined JAVA_HOME (
    where java >nul 2>nul
    if errorlevel 1 (
        echo zimage: there is no java on the PATH; install Java 17 or newer, or set JAVA_HOME to its folder 1>&2
        exit /b 1
    )
)

set "VERSION=0"
for /f "usebackq tokens=3" %%v in (`call "%JAVA%" -version 2^>^&1 ^| findstr /c:" version "`) do set "VERSION=%%~v"
set "MAJOR=0"
for /f "tokens=1,2 delims=.-+" %%a in ("%VERSION%") do (
    set "MAJOR=%%a"
    if "%%a"=="1" set "MAJOR=%%b"
)
if %MAJOR% lss 17 (
    echo zimage: needs Java 17 or newer, but "%JAVA%" is %VERSION%; install one, or set JAVA_HOME to its folder 1>&2
    exit /b 1
)

"%JAVA%" %ZIMAGE_JAVA_OPTS% -jar "%JAR%" %*
exit /b %ERRORLEVEL%
