/**
 * Models whose parts lie in single files rather than in a folder of diffusers: told by their tensors, renamed, given the configuration
 * that no file says, and completed by what lies beside them. Pure Java.
 */
package io.github.zimage.internal.singlefile;
