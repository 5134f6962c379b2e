/** The demo model and where to find it. */
package io.github.zimage.demo;
