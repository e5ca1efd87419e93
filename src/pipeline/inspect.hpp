#pragma once
// inspect SET: what a set holds, what is converted on the way to pixels, what is left out and why.
#include <string>

#include "app/command_line.hpp"
#include "dist/communicator.hpp"

namespace ddls {

// **Collective**: every sample is decoded once, by one of the ranks. Returns the text, on rank 0; writes --json if given.
std::string inspect_set(const CommandLine& line, Communicator& comm);

}  // namespace ddls
