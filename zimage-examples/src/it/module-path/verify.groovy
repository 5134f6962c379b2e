assert new File(basedir, 'sum.txt').text == '6'
