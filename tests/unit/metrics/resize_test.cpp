// evaluate.resize before a network of TorchScript.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include "base/error.hpp"
#include "data/resample.hpp"
#include "metrics/features.hpp"
#include "scratch_folder.hpp"

namespace ddls::metrics::resize_test {
namespace {

class ResizedInput : public testing::Test {
 protected:
  // Its features are the pixels of the first channel; `input_size` 0: it does not say.
  Extractor load(const Resize& resize, int64_t input_size = 0) {
    torch::jit::Module module("extractor");
    if (input_size > 0) module.register_attribute("input_size", c10::IntType::get(), input_size);
    module.define("def forward(self, x):\n    f = x.float()[:, 0].flatten(1)\n    return f, f[:, :0]\n");
    module.save((scratch.path() / "e.pt").string());
    return load_extractor(scratch.path() / "e.pt", {3, 9, 6}, at::kCPU, resize);
  }
  test::ScratchFolder scratch;
  const at::Tensor images = (at::arange(2 * 3 * 9 * 6) * 37).remainder(256).view({2, 3, 9, 6}).to(at::kByte);
};

TEST_F(ResizedInput, none_is_the_image_as_it_is) {
  const Extractor e = load({}, 4);
  EXPECT_EQ(e.features, 54);
  EXPECT_TRUE(at::equal(e.extract(images, false).features, images.select(1, 0).flatten(1).to(at::kFloat)));
  EXPECT_EQ(e.resize.text(), "by the extractor");
}

TEST_F(ResizedInput, the_size_is_the_networks_or_the_configurations) {
  for (const int64_t to : {0, 5}) {
    const Extractor e = load({"bicubic", to, true}, 4);
    const int64_t side = to == 0 ? 4 : 5;
    EXPECT_EQ(e.features, side * side);
    const at::Tensor expected = data::resample(images, side, side, data::Filter::bicubic, true);
    EXPECT_TRUE(at::equal(e.extract(images, false).features, expected.select(1, 0).flatten(1).to(at::kFloat)));
    EXPECT_TRUE(at::equal(e.extract(e.resize.applied(images), false).features, e.extract(images, false).features));
    EXPECT_EQ(e.resize.text(), fmt::format("bicubic to {0} x {0}", side));
  }
}

TEST_F(ResizedInput, floats_reach_the_network) {
  const Extractor e = load({"lanczos", 4, false});
  const at::Tensor expected = data::resample(images, 4, 4, data::Filter::lanczos, false);
  EXPECT_TRUE(at::equal(e.extract(images, false).features, expected.select(1, 0).flatten(1)));
  EXPECT_FALSE(at::equal(expected, expected.round()));
  EXPECT_EQ(e.resize.text(), "lanczos to 4 x 4, not rounded");
}

TEST_F(ResizedInput, without_a_size_it_is_refused) {
  const test::Thrown thrown = test::thrown_by([&] { load({"box", 0, true}); });
  EXPECT_EQ(thrown.code, Exit::config);
  EXPECT_TRUE(test::contains(thrown.message, "evaluate.resize_to")) << thrown.message;
}

}  // namespace
}  // namespace ddls::metrics::resize_test
