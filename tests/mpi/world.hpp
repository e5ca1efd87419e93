#pragma once
// What mpi_main.cpp gives to tests.
#include "dist/communicator.hpp"

namespace ddls {

dist::Communicator& world();  // all ranks of the job, where test_device.hpp says

}  // namespace ddls
