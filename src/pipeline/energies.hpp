#pragma once
// What an energy is worth: of a run, of its folder, or of a GAN from elsewhere (`ddls_dist energy`). All return the
// object `energies` of report.json (docs/formats.md).
#include <filesystem>
#include <string>

#include "pipeline/run.hpp"
#include "pipeline/sample_pretrained.hpp"

namespace ddls::pipeline {

// As the run's folder holds it: the report's word, which has the metrics, or else what sampling kept. Not collective.
// Throws Error(missing) where the folder says nothing of one.
Json energies_in(const std::filesystem::path& run_folder);

// **Collective.** Judged now or taken from the run's folder, with its metrics. `checkpoint` as load_target takes it.
// Throws CollectiveError: missing, config.
Json energies_of_run(Run& run, const std::string& checkpoint);

// What the energy of a GAN from elsewhere is compared with.
struct OutsideReals {
  std::string set;        // that neither network has seen; empty: no nats are known
  std::string extractor;  // with it, and for points, the weighted draws get metrics
};

// **Collective.** ESS and log Z; with reals the nats, too. Throws CollectiveError: usage, config, missing, data.
Json energies_of_gan(config::Config config, const GanFiles& files, const OutsideReals& outside,
                     dist::Communicator& comm);

// The result of the command as JSON text.
std::string energies_text(const Json& energies);

}  // namespace ddls::pipeline
