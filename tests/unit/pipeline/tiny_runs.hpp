#pragma once
// Whole configurations that take a fraction of a second: nothing in them learns anything.
#include <ATen/ATen.h>

#include <filesystem>

#include "ddls/methods/ula.hpp"
#include "pipeline/read_config.hpp"
#include "pipeline/stages.hpp"
#include "tensor/npz.hpp"

namespace ddls::test {

inline config::Config tiny(const std::string& name) {
  config::Config config = pipeline::default_config();
  config.name = name;
  config.train.steps = 6;
  config.train.batch = 16;
  config.train.ratio.steps = 4;
  config.train.ratio.batch = 16;
  config.train.classifier.steps = 4;
  config.train.classifier.batch = 16;
  config.sample.methods = {"generator", "ddls"};
  config.sample.count = 40;
  config.sample.block_size = 16;
  config.sample.record_every = 1;
  config.sample.trajectories = 4;
  config.sample.options_of("ddls").as<sampling::UlaOptions>().steps = 4;
  config.evaluate.metrics = {"fid"};
  config.output.tensorboard = false;
  return config;
}

inline config::Config tiny_points() {
  config::Config config = tiny("points");
  config.data.points = 1200;
  config.model.generator_widths = {16};
  config.model.discriminator_widths = {16, 16};
  config.model.ratio_widths = {16};
  return config;
}

// Grey images of 8 x 8 in four classes, written below `folder`.
inline config::Config tiny_images(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, int64_t count, int64_t first) {
    const at::Tensor labels = at::arange(count, at::kLong).remainder(4);
    const at::Tensor pixels =
        at::arange(first, first + count * 64, at::kLong).mul(7919).remainder(64).view({count, 8, 8, 1});
    const at::Tensor images = (pixels + labels.view({count, 1, 1, 1}) * 60).to(at::kByte).contiguous();
    tensor::write_npz(folder / name, {{"arr_0", images}, {"arr_1", labels}});
    return (folder / name).string();
  };
  config::Config config = tiny("images");
  config.data.kind = "npz";
  config.data.train = write("train.npz", 120, 0);
  config.data.test = write("test.npz", 60, 11);
  config.model.architecture = "dcgan";
  config.model.latent_dim = 6;
  config.model.generator_widths = {8, 8};
  config.model.discriminator_widths = {8, 8};
  config.model.ratio_widths = {8, 8};
  config.model.classifier_widths = {4, 8};
  config.evaluate.neighbours.samples = 2;
  config.evaluate.neighbours.count = 2;
  return config;
}

// The arrays of a method's samples.npz, in the order that files have.
inline at::Tensor samples_of(const std::filesystem::path& run_folder, const std::string& method) {
  return tensor::read_npz(run_folder / "samples" / method / "samples.npz").at("arr_0");
}

}  // namespace ddls::test
