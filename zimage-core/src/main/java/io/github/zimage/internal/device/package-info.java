/** The devices that components compute on, behind one interface; what a module for graphics cards implements. */
package io.github.zimage.internal.device;
