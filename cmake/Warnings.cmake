# Applied to our own targets only; third-party headers come in as SYSTEM.
add_library(ddls_warnings INTERFACE)
target_compile_options(ddls_warnings INTERFACE -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wnon-virtual-dtor)
if(DDLS_WERROR)
  target_compile_options(ddls_warnings INTERFACE -Werror)
endif()
