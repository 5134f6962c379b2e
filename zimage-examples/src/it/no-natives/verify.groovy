// The error names the coordinates to add, in the versions that this build resolved.
def log = new File(basedir, 'build.log').text
for (library in ['pytorch', 'openblas', 'javacpp']) {
    def version = new File(localRepositoryPath, "org/bytedeco/$library").listFiles().find { it.directory }.name
    assert log =~ /NativeLibraryException: .*org\.bytedeco:$library:$version:/
}
return true
