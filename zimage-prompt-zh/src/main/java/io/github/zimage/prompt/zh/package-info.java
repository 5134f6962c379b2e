/** Chinese for the linter, on the dictionaries of HanLP. */
package io.github.zimage.prompt.zh;
