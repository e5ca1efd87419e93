# What a test that runs under mpirun needs on small and root-only machines.
set(DDLS_MPI_ENVIRONMENT OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1 OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1)

# ddls_unit_test(FOLDER [MPI]): tests/unit/FOLDER/*_test.cpp against the library of that folder, one process. MPI: a job of one
# rank, whose communicator is world() of tests/mpi/world.hpp. Each file has a namespace of its own name, as unity builds compile
# several as one.
function(ddls_unit_test folder)
  cmake_parse_arguments(arg "MPI" "" "" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/${folder}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  set(main GTest::gtest_main)
  set(environment OMP_NUM_THREADS=1)
  if(arg_MPI)
    list(APPEND sources ${CMAKE_SOURCE_DIR}/tests/mpi/mpi_main.cpp)
    set(main GTest::gtest)
    set(environment ${DDLS_MPI_ENVIRONMENT})
  endif()
  add_executable(unit_${folder} ${sources})
  set_target_properties(unit_${folder} PROPERTIES UNITY_BUILD ${DDLS_UNITY} UNITY_BUILD_BATCH_SIZE 7)
  target_compile_options(unit_${folder} PRIVATE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow)  # g++ 12 warns in its own strings' code
  target_link_libraries(unit_${folder} PRIVATE ddls_${folder} ddls_warnings ${main})
  target_include_directories(unit_${folder} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  get_target_property(links ddls_${folder} LINK_LIBRARIES)
  if("torch_wheel" IN_LIST links)
    ddls_use_torch(unit_${folder})
    set_target_properties(unit_${folder} PROPERTIES BUILD_RPATH "${DDLS_WHEEL_DIR}/torch/lib")
  endif()
  target_compile_definitions(unit_${folder} PRIVATE DDLS_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  add_test(NAME unit_${folder} COMMAND unit_${folder})
  set_tests_properties(unit_${folder} PROPERTIES LABELS unit ENVIRONMENT "${environment}")
endfunction()

# ddls_mpi_test(NAME FILES ... LINK ddls_dist RANKS 1 2 3 4): one executable, one test per rank count.
function(ddls_mpi_test name)
  cmake_parse_arguments(arg "" "" "FILES;LINK;RANKS" ${ARGN})
  add_executable(mpi_${name} ${arg_FILES} ${CMAKE_SOURCE_DIR}/tests/mpi/mpi_main.cpp)
  target_link_libraries(mpi_${name} PRIVATE ${arg_LINK} ddls_warnings GTest::gtest)
  target_include_directories(mpi_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  ddls_use_torch(mpi_${name})
  set_target_properties(mpi_${name} PROPERTIES BUILD_RPATH "${DDLS_WHEEL_DIR}/torch/lib")
  foreach(ranks IN LISTS arg_RANKS)
    add_test(NAME mpi_${name}_np${ranks} COMMAND ${MPIEXEC_EXECUTABLE} -np ${ranks} $<TARGET_FILE:mpi_${name}>)
    set_tests_properties(mpi_${name}_np${ranks} PROPERTIES LABELS mpi PROCESSORS ${ranks}
      ENVIRONMENT "${DDLS_MPI_ENVIRONMENT}")
  endforeach()
endfunction()
