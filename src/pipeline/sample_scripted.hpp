#pragma once
// `ddls_dist sample --generator G.pt --discriminator D.pt`: the samplers on a GAN from elsewhere, without its data.
// **Collective.** The run folder gets config.yaml, run.json and samples/.
#include "app/command_line.hpp"
#include "config/config.hpp"
#include "ddls/foreign_gan.hpp"
#include "dist/communicator.hpp"

namespace ddls {

// What --generator and --discriminator name: the configuration, whose name is that of the generator's file unless it has one, and
// the networks. Not collective. Throw Error: usage, config, missing, data.
Config foreign_config(const CommandLine& line);
ForeignGan load_foreign_gan(const CommandLine& line, const Config& config, c10::Device device);

void sample_scripted(const CommandLine& line, Communicator& comm);

}  // namespace ddls
