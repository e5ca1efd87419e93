# What the program needs beside its libraries.
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
# An allocator that keeps freed memory: with glibc's, every activation of some MB is mapped and faulted in anew, which costs a
# training step 8 % and a sixth of its memory. Sanitizers bring their own.
find_library(TCMALLOC_LIBRARY NAMES tcmalloc_minimal libtcmalloc_minimal.so.4)
if(NOT TCMALLOC_LIBRARY OR CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  set(TCMALLOC_LIBRARY "" CACHE FILEPATH "tcmalloc" FORCE)
  message(STATUS "tcmalloc is not used")
endif()
