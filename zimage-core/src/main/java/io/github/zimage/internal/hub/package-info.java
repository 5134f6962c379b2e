/** Downloads from model hubs: what they list, which files are needed, how they come here whole, and where they are kept. */
package io.github.zimage.internal.hub;
