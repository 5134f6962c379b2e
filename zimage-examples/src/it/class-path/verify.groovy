def picture = javax.imageio.ImageIO.read(new File(basedir, 'fox.png'))
assert picture.width == 1024 && picture.height == 1024
