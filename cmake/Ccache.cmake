# ccache where present; the sloppiness lets it cache files that use a precompiled header.
find_program(DDLS_CCACHE ccache)
if(DDLS_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${DDLS_CCACHE})
endif()
