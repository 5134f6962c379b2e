/** LibTorch from Java: loading, threads, scopes, operators by name, errors. */
package io.github.zimage.internal.runtime;
