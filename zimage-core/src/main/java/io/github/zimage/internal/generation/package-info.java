/**
 * One request on its way to pictures: what each picture starts from and shall show, guidance, previews, decoding, in the numbered steps of
 * {@code Generation}.
 */
package io.github.zimage.internal.generation;
