#pragma once
// `ddls_dist energy`: what an energy is worth, of a run or of a GAN from elsewhere. **Collective.**
#include <string>

#include "app/command_line.hpp"
#include "dist/communicator.hpp"

namespace ddls {

// Returns the result as JSON text, which --json gets, too:
//   energy RUN                                    `energies` as the run's folder holds it
//   energy --config FILE                          the run's energy, judged now or taken from its folder, with its metrics
//   energy --generator G --discriminator D        ESS and log Z; with --real SET the nats, too, and, of points and with
//                                                 --extractor, the metrics of the weighted draws
// Throws Error: missing (RUN holds no energy), config, data.
std::string tell_energy(const CommandLine& line, Communicator& comm);

}  // namespace ddls
