#pragma once
// From the command line to a command. **Collective.**
#include "dist/environment.hpp"

namespace ddls {

int run_command(int argc, char** argv, Environment& environment);  // the exit code

}  // namespace ddls
