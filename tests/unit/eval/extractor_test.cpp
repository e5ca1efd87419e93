// Extractors are written in TorchScript here, so that both calling conventions are tested without weights of others.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "eval/features.hpp"
#include "scratch_folder.hpp"

namespace ddls {
namespace {

const char* const convention = R"(
def forward(self, images):
    x = images.float()
    assert x.size(1) == 3
    f = torch.cat([x.mean([2, 3]), x.amax([2, 3])], 1)
    return f, f[:, :4] * 0.01
)";

const char* const nvidia = R"(
def forward(self, img, return_features: bool = False, use_fp16: bool = False, no_output_bias: bool = False):
    assert img.size(1) == 3
    f = img.float().mean([2, 3])
    if return_features:
        return f
    logits = f * 0.01
    if not no_output_bias:
        logits = logits + torch.arange(3)
    return torch.softmax(logits, 1)
)";

class ExtractorFile : public testing::Test {
 protected:
  Extractor load(const char* source, const std::vector<int64_t>& shape = {3, 4, 5}) {
    torch::jit::Module module("extractor");
    module.define(std::string(source) + "\n");
    module.save((scratch.path() / "e.pt").string());
    return load_extractor(scratch.path() / "e.pt", shape, at::kCPU);
  }
  std::string refusal(const char* source, const std::vector<int64_t>& shape = {3, 4, 5}) {
    try {
      load(source, shape);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Exit::data);
      return error.what();
    }
    return "accepted";
  }
  test::ScratchFolder scratch;
  const at::Tensor images = at::arange(2 * 3 * 4 * 5).view({2, 3, 4, 5}).to(at::kByte);
};

TEST_F(ExtractorFile, TheConvention) {
  const Extractor e = load(convention);
  EXPECT_EQ(e.name, "e");
  EXPECT_EQ(e.features, 6);
  EXPECT_EQ(e.classes, 4);
  EXPECT_EQ(e.sha256, sha256_of_file(scratch.path() / "e.pt"));
  const Features f = e.extract(images, true);
  EXPECT_TRUE(at::equal(f.features.narrow(1, 0, 3), images.to(at::kFloat).mean({2, 3})));
  EXPECT_TRUE(at::equal(f.features.narrow(1, 3, 3), images.to(at::kFloat).amax({2, 3})));
  EXPECT_TRUE(at::allclose(f.logits, f.features.narrow(1, 0, 4) * 0.01));
  EXPECT_FALSE(e.extract(images, false).logits.defined());
}

TEST_F(ExtractorFile, NvidiaIsCalledForFeaturesAndForProbabilitiesWithoutBias) {
  const Extractor e = load(nvidia);
  EXPECT_EQ(e.features, 3);
  EXPECT_EQ(e.classes, 3);
  const Features f = e.extract(images, true);
  const at::Tensor mean = images.to(at::kFloat).mean({2, 3});
  EXPECT_TRUE(at::allclose(f.features, mean));
  EXPECT_TRUE(at::allclose(at::softmax(f.logits, 1), at::softmax(mean * 0.01, 1)));
}

TEST_F(ExtractorFile, GreyImagesAreRepeatedForANetworkOfColour) {
  const at::Tensor grey = images.narrow(1, 0, 1), colour = grey.expand({2, 3, 4, 5});
  for (const char* source : {convention, nvidia}) {
    const Extractor e = load(source, {1, 4, 5});
    EXPECT_TRUE(at::equal(e.extract(grey, false).features, e.extract(colour, false).features));
  }
}

TEST_F(ExtractorFile, WhatIsRefused) {
  EXPECT_NE(refusal("def forward(self, x):\n    return x.float().mean([1, 2, 3]), x").find("features [N, F]"),
            std::string::npos);
  EXPECT_NE(refusal("def forward(self, x):\n    assert x.size(1) == 7, 'seven'\n    return x, x").find("e.pt"),
            std::string::npos);
  // Colour for a network of grey images would have to be thrown away.
  EXPECT_NE(refusal("def forward(self, x):\n    assert x.size(1) == 1\n    f = x.float().mean([2, 3])\n    return f, f")
                .find("fails on images"),
            std::string::npos);
  write_file(scratch.path() / "text.pt", "not a network");
  EXPECT_THROW(load_extractor(scratch.path() / "text.pt", {3, 4, 5}, at::kCPU), Error);
  EXPECT_THROW(load_extractor(scratch.path() / "none.pt", {3, 4, 5}, at::kCPU), Error);
}

}  // namespace
}  // namespace ddls
