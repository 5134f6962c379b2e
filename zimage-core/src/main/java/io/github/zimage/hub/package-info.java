/**
 * Models from Hugging Face and ModelScope: downloaded, checked, and kept in the caches that the hubs' own tools use. Pure Java; nothing
 * here loads a native library, and nothing else of zimage opens a connection.
 */
package io.github.zimage.hub;
