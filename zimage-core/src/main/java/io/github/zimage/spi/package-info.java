/** What other libraries implement to extend zimage. */
package io.github.zimage.spi;
