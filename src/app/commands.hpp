#pragma once
// From the command line to a command.
#include <optional>

#include "dist/environment.hpp"

namespace ddls::app {

// --help, --version, completion and watch, before there is MPI: the exit code. Done by the launcher's first rank.
// Nothing for another command.
std::optional<int> answer_without_job(int argc, char** argv);

// **Collective.**
int run_command(int argc, char** argv, dist::Environment& environment);  // the exit code

}  // namespace ddls::app
