/** Short programs to copy from. Each is run by the tests; docs/examples.md shows them. */
package io.github.zimage.examples;
