/* The wheel of CUDA's runtime leaves out the folder crt/, which belongs to nvcc. What the headers of the runtime, the libraries
   and NCCL ask of it, for a host compiler with GNU's attributes: nothing is executed on a device, so the words that say where a
   function lives mean nothing here. A wheel or toolkit that has the folder is found first. */
#ifndef DDLS_CRT_HOST_DEFINES_H
#define DDLS_CRT_HOST_DEFINES_H
#if defined(__CUDACC__)
#error "this is for host compilers: nvcc brings its own crt/host_defines.h"
#endif

#define __host__
#define __device__
#define __global__
#define __shared__
#define __constant__
#define __managed__
#define __grid_constant__
#define __device_builtin__
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __cudart_builtin__
#define __specialization_static
#define __annotate__(a)
#define __location__(a)
#define CUDARTAPI
#define CUDARTAPI_CDECL
#define __no_return__ __attribute__((noreturn))
#undef __forceinline__
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __align__(n)

#endif
