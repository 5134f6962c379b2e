/** What the operating system says of the machine and of this process: one reader of its files, for Linux; elsewhere nothing is told. */
package io.github.zimage.internal.system;
