# Version, build and git commit as generated sources, so that a run can say what made it. The commit has a source file of its
# own: a new one costs one small compilation.
configure_file(${CMAKE_SOURCE_DIR}/cmake/version.hpp.in ${CMAKE_BINARY_DIR}/generated/version.hpp @ONLY)
add_custom_target(ddls_git_commit
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DOUTPUT=${CMAKE_BINARY_DIR}/generated/git_commit.cpp
    -P ${CMAKE_SOURCE_DIR}/cmake/GitCommit.cmake
  BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/git_commit.cpp
  COMMENT "" VERBATIM)
