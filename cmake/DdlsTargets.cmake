# Where an installed program finds its libraries: those outside the checkout by this, the wheel's by DDLS_RUN_PATH.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)

# One static library per folder of src/, one precompiled header shared by all that use Torch: the tensor functions alone.
# (With torch/torch.h in it, even an empty file takes 8 s to compile: its inline functions instantiate templates anew.)
file(WRITE ${CMAKE_BINARY_DIR}/generated/pch.cpp "")
add_library(ddls_pch STATIC ${CMAKE_BINARY_DIR}/generated/pch.cpp)
target_precompile_headers(ddls_pch PRIVATE <ATen/ATen.h>)
target_compile_options(ddls_pch PRIVATE -fpch-preprocess)
target_include_directories(ddls_pch PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
target_link_libraries(ddls_pch PRIVATE ddls_log_libraries torch_wheel ddls_warnings)

# ddls_library(NAME [TORCH] [LINK ...] [EXCLUDE files] [ALONE files]): all .cpp files of this folder. In unity builds those after
# ALONE are compiled one by one: files that are changed often or take long.
function(ddls_library name)
  cmake_parse_arguments(arg "TORCH" "" "LINK;EXCLUDE;ALONE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(file IN LISTS arg_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  add_library(ddls_${name} STATIC ${sources})
  set_target_properties(ddls_${name} PROPERTIES UNITY_BUILD ${DDLS_UNITY} UNITY_BUILD_BATCH_SIZE 12)
  set_source_files_properties(${arg_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_compile_features(ddls_${name} PUBLIC cxx_std_20)
  target_include_directories(ddls_${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src> $<BUILD_INTERFACE:${CMAKE_BINARY_DIR}/generated>)
  target_link_libraries(ddls_${name} PUBLIC ddls_log_libraries ${arg_LINK} PRIVATE $<BUILD_INTERFACE:ddls_warnings>)
  if(arg_TORCH)
    ddls_use_torch(ddls_${name})
  endif()
endfunction()

function(ddls_use_torch target)
  target_link_libraries(${target} PUBLIC torch_wheel)
  target_compile_options(${target} PRIVATE -fpch-preprocess)
  target_precompile_headers(${target} REUSE_FROM ddls_pch)
endfunction()
