# The channel and all of src that it meets, instrumented by ThreadSanitizer whatever the build is; LibTorch and MPI are not.
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  return()
endif()
set(sources ${fake_cuda})
foreach(folder base dist)
  get_target_property(some ddls_${folder} SOURCES)
  list(APPEND sources ${some})
endforeach()
get_target_property(fake_gpu ddls_fake_gpu SOURCES)
add_library(ddls_tsan OBJECT ${sources} ${fake_gpu} ${CMAKE_SOURCE_DIR}/src/device/cuda_check.cpp
  ${CMAKE_SOURCE_DIR}/src/tensor/flat_parameters.cpp ${CMAKE_SOURCE_DIR}/tests/mpi/mpi_main.cpp)
target_compile_options(ddls_tsan PUBLIC -fsanitize=thread -fno-omit-frame-pointer -O1 -g1 -Wno-array-bounds -Wno-maybe-uninitialized
  -Wno-stringop-overflow -Wno-tsan)
target_link_libraries(ddls_tsan PUBLIC ddls_log_libraries torch_wheel ddls_cuda MPI::MPI_C nlohmann_json::nlohmann_json
  PkgConfig::XXHASH OpenSSL::Crypto Threads::Threads GTest::gtest PRIVATE ddls_warnings)
target_compile_definitions(ddls_tsan PUBLIC OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
target_include_directories(ddls_tsan PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated ${CMAKE_SOURCE_DIR}/tests)

# Memory that uninstrumented libraries touch is not looked at; an error ends the process with this code.
set(tsan_options "TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:exitcode=66")
foreach(name nccl_channel gradient_reducer)
  set(file ${CMAKE_CURRENT_SOURCE_DIR}/${name}_test.cpp)
  if(name STREQUAL "gradient_reducer")
    set(file ${CMAKE_SOURCE_DIR}/tests/mpi/${name}_test.cpp)
  endif()
  add_executable(tsan_${name} ${file})
  target_link_libraries(tsan_${name} PRIVATE ddls_tsan)
  target_link_options(tsan_${name} PRIVATE -fsanitize=thread ${wrap_options})
  set_target_properties(tsan_${name} PROPERTIES BUILD_RPATH "${DDLS_WHEEL_DIR}/torch/lib")
  foreach(ranks 2 3)
    add_test(NAME tsan_${name}_np${ranks} COMMAND ${MPIEXEC_EXECUTABLE} -np ${ranks} $<TARGET_FILE:tsan_${name}>)
    set_tests_properties(tsan_${name}_np${ranks} PROPERTIES LABELS mpi PROCESSORS ${ranks}
      ENVIRONMENT "${DDLS_MPI_ENVIRONMENT};DDLS_TEST_DEVICE=gpu;DDLS_FAKE_GPUS=${ranks};${tsan_options}")
  endforeach()
endforeach()

# That it sees what it is for: a non-blocking communicator is asked by two threads, as before 2026-11. Whichever comes first tells: ThreadSanitizer,
# or the fake, whose buffers are poisoned until their collective is done.
add_test(NAME tsan_nccl_channel_sees_a_race COMMAND ${MPIEXEC_EXECUTABLE} -np 2 $<TARGET_FILE:tsan_nccl_channel>
  --gtest_filter=NcclChannel.ThreadsTakeTurnsBesideTheMonitor)
set_tests_properties(tsan_nccl_channel_sees_a_race PROPERTIES LABELS mpi PROCESSORS 2 PASS_REGULAR_EXPRESSION
  "WARNING: ThreadSanitizer|written while they were on their way"
  ENVIRONMENT "${DDLS_MPI_ENVIRONMENT};DDLS_TEST_DEVICE=gpu;DDLS_FAKE_GPUS=2;DDLS_FAKE_CUDA=nonblocking=1;${tsan_options}")
