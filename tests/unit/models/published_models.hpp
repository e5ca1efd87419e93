#pragma once
// The published networks as model sections.
#include "config/config.hpp"

namespace ddls::test {

inline config::ModelConfig sn_resnet(std::vector<int64_t> generator, std::vector<int64_t> discriminator,
                                     int64_t downsamplings, int64_t classes = 0) {
  config::ModelConfig m;
  m.architecture = "sn_resnet";
  m.latent_dim = 128;
  m.generator_widths = std::move(generator);
  m.discriminator_widths = m.ratio_widths = std::move(discriminator);
  m.discriminator_downsamplings = downsamplings;
  m.classes = classes;
  return m;
}

inline config::ModelConfig sn_resnet32(int64_t classes = 0) {
  return sn_resnet({256, 256, 256, 256}, {128, 128, 128, 128}, 2, classes);
}
inline config::ModelConfig sn_resnet48() { return sn_resnet({512, 256, 128, 64}, {64, 128, 256, 512, 1024}, 4); }
inline config::ModelConfig sn_resnet64(int64_t classes = 0) {
  return sn_resnet({1024, 512, 256, 128, 64}, {64, 128, 256, 512, 1024}, 5, classes);
}
inline config::ModelConfig sn_resnet128(int64_t classes) {
  return sn_resnet({1024, 1024, 512, 256, 128, 64}, {64, 128, 256, 512, 1024, 1024}, 5, classes);
}

inline config::ModelConfig wgangp_resnet32() {
  config::ModelConfig m = sn_resnet({128, 128, 128, 128}, {128, 128, 128, 128}, 2);
  m.architecture = "wgangp_resnet";
  return m;
}

inline config::ModelConfig sn_dcgan32() {
  config::ModelConfig m;
  m.architecture = "sn_dcgan";
  m.latent_dim = 128;
  m.generator_widths = {512, 256, 128, 64};
  m.discriminator_widths = m.ratio_widths = {64, 128, 256, 512};
  return m;
}

inline config::ModelConfig biggan(int64_t latent_dim, std::vector<int64_t> generator,
                                  std::vector<int64_t> discriminator, int64_t downsamplings, int64_t attention_side,
                                  int64_t classes) {
  config::ModelConfig m = sn_resnet(std::move(generator), std::move(discriminator), downsamplings, classes);
  m.architecture = "biggan";
  m.latent_dim = latent_dim;
  m.attention_side = attention_side;
  return m;
}
inline config::ModelConfig biggan32() { return biggan(80, {384, 384, 384, 384}, {192, 192, 192, 192}, 2, 16, 10); }
inline config::ModelConfig biggan128() {
  return biggan(120, {1536, 1536, 768, 384, 192, 96}, {96, 192, 384, 768, 1536, 1536}, 5, 64, 1000);
}

inline config::ModelConfig mnist_cgan(double dropout = 0.5) {
  config::ModelConfig m;
  m.architecture = "mlp_cgan";
  m.latent_dim = 100;
  m.embedding_dim = 16;
  m.classes = 10;
  m.generator_widths = {128, 256, 512, 1024};
  m.discriminator_widths = m.ratio_widths = {512, 512, 512};
  m.dropout = dropout;
  return m;
}

}  // namespace ddls::test
