# `cmake --install`: src/dist and what it stands on, for find_package(ddls_dist) (docs/data_parallel.md).
set(package_folders base config device tensor dist)
set(package_targets "")
foreach(folder ${package_folders})
  list(APPEND package_targets ddls_${folder})
  set_target_properties(ddls_${folder} PROPERTIES EXPORT_NAME ${folder})
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/src/${folder} DESTINATION include/ddls_dist COMPONENT package FILES_MATCHING PATTERN "*.hpp")
endforeach()
install(TARGETS ${package_targets} EXPORT ddls_dist COMPONENT package ARCHIVE DESTINATION lib INCLUDES DESTINATION include/ddls_dist)
install(EXPORT ddls_dist NAMESPACE ddls_dist:: FILE ddls_distTargets.cmake DESTINATION lib/cmake/ddls_dist COMPONENT package)

include(CMakePackageConfigHelpers)
configure_file(${CMAKE_SOURCE_DIR}/cmake/ddls_distConfig.cmake.in ${CMAKE_BINARY_DIR}/generated/ddls_distConfig.cmake @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/ddls_distConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/generated/ddls_distConfig.cmake ${CMAKE_BINARY_DIR}/generated/ddls_distConfigVersion.cmake
  ${CMAKE_SOURCE_DIR}/cmake/Dependencies.cmake ${CMAKE_SOURCE_DIR}/cmake/TorchWheel.cmake ${CMAKE_SOURCE_DIR}/cmake/CudaWheel.cmake
  DESTINATION lib/cmake/ddls_dist COMPONENT package)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/cmake/cuda_host DESTINATION lib/cmake/ddls_dist COMPONENT package)
