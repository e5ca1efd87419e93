# Applied to our own targets only; third-party headers come in as SYSTEM.
add_library(ddls_warnings INTERFACE)
target_compile_options(ddls_warnings INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wnon-virtual-dtor)
# Only where we have seen all warnings: a new compiler's new ones must not stop a user's build.
if(DDLS_WERROR AND CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(ddls_warnings INTERFACE -Werror)
endif()
