#include "ddls/pt2_description.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "tensor/description_reader.hpp"

namespace ddls::sampling {
namespace {

using tensor::DescriptionReader;

std::vector<int64_t> described_shape(const DescriptionReader& reader) {
  const int64_t dimensions = reader.length("sample_shape");
  const at::Tensor sizes = reader.numbers("sample_shape", dimensions, 0);
  std::vector<int64_t> shape;
  for (int64_t i = 0; i < dimensions; ++i) shape.push_back(static_cast<int64_t>(sizes[i].item<double>()));
  const bool image = shape.size() == 3 && (shape[0] == 1 || shape[0] == 3);
  if ((!image && shape.size() != 1) || sizes.min().item<double>() < 1 || sizes.max().item<double>() > 65536)
    reader.refuse("sample_shape", fmt::format("is [{}]; expected [1 or 3, H, W] of images in [-1, 1], or [d] of points",
                                              fmt::join(shape, ", ")));
  return shape;
}

Pt2SelfTest described_test(const DescriptionReader& reader, const Pt2Description& about) {
  Pt2SelfTest test;
  const int64_t rows = reader.length("latents"), places = reader.length("sample_at");
  test.latents = reader.numbers("latents", rows, about.latent_dim).to(at::kFloat);
  if (reader.has("pullback")) test.pullback = reader.numbers("pullback", rows, about.latent_dim);
  if (!test.pullback.defined() || reader.has("log_ratio")) {
    test.log_ratio = reader.numbers("log_ratio", rows, 0);
    test.gradient = reader.numbers("gradient", rows, about.latent_dim);
  }
  test.sample_places = reader.numbers("sample_at", places, 0).to(at::kLong);
  test.samples = reader.numbers("samples", rows, places);
  int64_t values = 1;
  for (const int64_t size : about.sample_shape) values *= size;
  if (test.sample_places.min().item<int64_t>() < 0 || test.sample_places.max().item<int64_t>() >= values)
    reader.refuse("sample_at", fmt::format("has places outside a sample's {} values", values));
  if (about.classes == 0) return test;
  test.labels = reader.numbers("labels", rows, 0).to(at::kLong);
  if (test.labels.min().item<int64_t>() < 0 || test.labels.max().item<int64_t>() >= about.classes)
    reader.refuse("labels", fmt::format("has labels outside 0 to {}", about.classes - 1));
  return test;
}

}  // namespace

Pt2Description description_of(const tensor::Pt2Archive& archive) {
  const std::string where = archive.file.string() + ": ddls.json";
  const Json json = parse_json_object(archive.description, where);
  const DescriptionReader reader(json, where, archive.cure);
  Pt2Description about;
  about.origin = tensor::origin_of(reader, "ddls_dist GAN", "an extractor's archive");
  about.latent_dim = reader.number("latent_dim", 1, 1 << 24);
  about.classes = reader.number("classes", 0, 1 << 24);
  about.prior = reader.field<std::string>("prior");
  if (about.prior != "normal" && about.prior != "uniform" && about.prior != "truncated_normal")
    reader.refuse("prior", fmt::format("is '{}', not normal, uniform or truncated_normal", about.prior));
  about.sample_shape = described_shape(reader);
  if (about.sample_shape.size() == 3) {
    const at::Tensor range = reader.numbers("range", 2, 0);
    if (range[0].item<double>() != -1 || range[1].item<double>() != 1)
      reader.refuse("range", "is not [-1, 1], in which images lie here");
  }
  const Json test = reader.field<Json>("self_test");
  about.test = described_test(DescriptionReader(test, where + ", self_test", archive.cure), about);
  return about;
}

}  // namespace ddls::sampling
