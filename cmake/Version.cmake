# Version, build and git commit as generated headers, so that a run can say what made it.
configure_file(${CMAKE_SOURCE_DIR}/cmake/version.hpp.in ${CMAKE_BINARY_DIR}/generated/version.hpp @ONLY)
add_custom_target(ddls_git_commit
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DOUTPUT=${CMAKE_BINARY_DIR}/generated/git_commit.hpp
    -P ${CMAKE_SOURCE_DIR}/cmake/GitCommit.cmake
  BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/git_commit.hpp
  COMMENT "" VERBATIM)
