# Applied to our own targets only; third-party headers come in as SYSTEM.
add_library(ddls_warnings INTERFACE)
target_compile_options(ddls_warnings INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor)
if(DDLS_UNITY)  # names of another file are no names of this one
  target_compile_options(ddls_warnings INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wshadow=local -Wno-subobject-linkage>)
else()
  target_compile_options(ddls_warnings INTERFACE -Wshadow)
endif()
# Only where we have seen all warnings: a new compiler's new ones must not stop a user's build.
if(DDLS_WERROR AND CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(ddls_warnings INTERFACE -Werror)
endif()
