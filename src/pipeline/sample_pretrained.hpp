#pragma once
// The samplers on a GAN from elsewhere, without its data (`ddls_dist sample --generator G.pt --discriminator D.pt`).
#include <string>

#include "config/config.hpp"
#include "ddls/foreign_gan.hpp"
#include "dist/communicator.hpp"
#include "pipeline/run.hpp"

namespace ddls::pipeline {

// Its files (docs/export.md): one .pt2 archive and no discriminator, or both TorchScript, or both weights in
// .safetensors.
struct GanFiles {
  std::string generator, discriminator;
};

// The name of a run that samples this generator, where nothing else names it: that of its file, fit for a folder.
std::string name_after(const std::string& generator);

// What a .pt2 archive says of itself goes into config.model. Not collective. Throws Error: usage, config, missing,
// data.
sampling::ForeignGan load_foreign_gan(const GanFiles& files, config::Config& config, c10::Device device);

// **Collective.** The run folder gets config.yaml, run.json and samples/. Throws CollectiveError as load_foreign_gan
// and sample_stage do.
void sample_pretrained(config::Config config, const GanFiles& files, const RunOptions& options,
                       dist::Communicator& comm);

}  // namespace ddls::pipeline
