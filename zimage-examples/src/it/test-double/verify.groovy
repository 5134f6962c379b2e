// The examples ran, rather than being skipped or not found.
def report = new groovy.xml.XmlSlurper().parse(new File(basedir, 'target/surefire-reports/TEST-consumer.PostersTest.xml'))
assert report.@tests.text() == '2' && report.@skipped.text() == '0'
