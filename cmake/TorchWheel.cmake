# An imported target on the files of the PyPI wheel. find_package(Torch) of the CUDA wheel refuses to configure
# without a CUDA toolkit; the libraries themselves link and start everywhere,
# and cmake/CudaWheel.cmake takes the headers of CUDA from the wheel.
set(torch_dir ${DDLS_WHEEL_DIR}/torch)
if(NOT EXISTS ${torch_dir}/lib/libtorch.so)
  message(FATAL_ERROR "no LibTorch in ${DDLS_WHEEL_DIR}: run launch/setup.sh, or set DDLS_WHEEL_DIR")
endif()

file(STRINGS ${torch_dir}/version.py torch_version_line REGEX "^__version__")
string(REGEX REPLACE ".*'(.*)'.*" "\\1" DDLS_TORCH_VERSION "${torch_version_line}")

set(DDLS_RUN_PATH ${torch_dir}/lib)
add_library(torch_wheel INTERFACE IMPORTED GLOBAL)  # what an installed package makes anew: see ddls_distConfig.cmake
target_include_directories(torch_wheel SYSTEM INTERFACE
  ${torch_dir}/include ${torch_dir}/include/torch/csrc/api/include)
target_link_directories(torch_wheel INTERFACE ${torch_dir}/lib)
target_link_libraries(torch_wheel INTERFACE torch torch_cpu c10)
# libtorch exports its own, older copies of std::filesystem functions (remove_all among them, which crashes here); the
# first library on the line wins, so the system's libstdc++ has to come before it.
target_link_options(torch_wheel INTERFACE -Wl,--push-state,--no-as-needed,-lstdc++,--pop-state)
if(EXISTS ${torch_dir}/lib/libtorch_cuda.so)
  # Nothing of ours names a symbol of libtorch_cuda; it registers the CUDA kernels when it is loaded.
  target_link_options(torch_wheel INTERFACE
    -Wl,--push-state,--no-as-needed ${torch_dir}/lib/libtorch_cuda.so ${torch_dir}/lib/libc10_cuda.so -Wl,--pop-state)
  # libtorch_cuda finds NVIDIA's libraries by its own run path; the linker need not resolve them.
  target_link_options(torch_wheel INTERFACE -Wl,--allow-shlib-undefined -Wl,--unresolved-symbols=ignore-in-shared-libs)
endif()
message(STATUS "LibTorch ${DDLS_TORCH_VERSION}")
