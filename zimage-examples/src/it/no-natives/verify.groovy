// The error names the coordinates to add, in the versions that this build resolved.
def log = new File(basedir, 'build.log').text
['pytorch', 'openblas', 'javacpp'].each {
    def version = new File(localRepositoryPath, "org/bytedeco/$it").list().first()
    assert log =~ /NativeLibraryException: .*org\.bytedeco:$it:$version:/
}
