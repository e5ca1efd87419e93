#pragma once
// `ddls_dist sample --generator G.pt --discriminator D.pt`: the samplers on a GAN from elsewhere, without its data.
// **Collective.** The run folder gets config.yaml, run.json and samples/.
#include "app/command_line.hpp"
#include "dist/communicator.hpp"

namespace ddls {

void sample_scripted(const CommandLine& line, Communicator& comm);

}  // namespace ddls
