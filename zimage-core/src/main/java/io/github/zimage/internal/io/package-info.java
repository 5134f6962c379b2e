/** Files: first checks and names of those that are read, and those written that appear whole or not at all. */
package io.github.zimage.internal.io;
