/**
 * A checkpoint's configurations, read strictly: what is not supported is refused by name. Pure Java.
 */
package io.github.zimage.internal.config;
