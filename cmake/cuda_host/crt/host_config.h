/* See host_defines.h. The one of nvcc refuses host compilers that nvcc does not know; here there is none. */
