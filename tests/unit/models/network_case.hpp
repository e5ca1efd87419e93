#pragma once
// Small networks that tests go through one by one.
#include <string>

#include "config/config.hpp"
#include "models/factory.hpp"

namespace ddls::test {

struct NetworkCase {
  std::string name;
  config::ModelConfig model;
  models::SampleShape shape;
};

// `width` of the layers beside which the others are scaled.
inline NetworkCase small_mlp(int64_t width) {
  config::ModelConfig mlp;
  mlp.generator_widths = {width, width / 2};
  mlp.ratio_widths = {width, width};
  return {"mlp", mlp, {2}};
}

inline NetworkCase small_dcgan(int64_t latent_dim, int64_t width, int64_t side) {
  config::ModelConfig dcgan;
  dcgan.architecture = "dcgan";
  dcgan.latent_dim = latent_dim;
  dcgan.generator_widths = {2 * width, width};
  dcgan.ratio_widths = {width, 2 * width};
  dcgan.ratio_hidden = 2 * width;
  return {"dcgan", dcgan, {1, side, side}};
}

}  // namespace ddls::test
