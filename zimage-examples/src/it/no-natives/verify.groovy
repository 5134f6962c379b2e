assert new File(basedir, 'build.log').text.contains('UnsatisfiedLinkError: no jni')
