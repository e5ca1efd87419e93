// Extractors are written in TorchScript here, so that both calling conventions are tested without weights of others.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "metrics/features.hpp"
#include "scratch_folder.hpp"

namespace ddls::metrics::extractor_test {
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

TEST_F(ExtractorFile, WhatItMustReturn) {
  const auto refused = [&](const std::string& lines) {
    return refusal(("def forward(self, x):\n    f = x.float().mean([2, 3])\n    " + lines).c_str());
  };
  EXPECT_EQ(refused("return f, f"), "accepted");
  EXPECT_EQ(refused("return f, f[:, :0]"), "accepted");
  EXPECT_EQ(refused("return f.squeeze(), f.squeeze()"), "accepted");  // one image: the only row
  EXPECT_EQ(refused("return f.double(), f.half()"), "accepted");
  EXPECT_NE(refused("return f").find("it returns Tensor"), std::string::npos);
  EXPECT_NE(refused("return {'features': f}").find("it returns Dict"), std::string::npos);
  EXPECT_NE(refused("return f, 3").find("it returns Tuple"), std::string::npos);
  EXPECT_NE(refused("return f.unsqueeze(2), f").find("flatten(1)"), std::string::npos);
  EXPECT_NE(refused("return f[:, :0], f").find("its features are [4, 0]"), std::string::npos);
  EXPECT_NE(refused("return f.mean(0), f").find("its features are [3]"), std::string::npos);
  EXPECT_NE(refused("return f, torch.softmax(f, 1)").find("look like probabilities"), std::string::npos);
  EXPECT_NE(refused("return f / 0, f").find("not finite"), std::string::npos);
}

TEST_F(ExtractorFile, ItMustBeAFunctionOfEachImageAlone) {
  const auto refused = [&](const std::string& lines) {
    return refusal(("def forward(self, x):\n    f = x.float().mean([2, 3])\n    " + lines).c_str());
  };
  EXPECT_NE(refused("f = torch.dropout(f, 0.5, True)\n    return f, f").find("each time"), std::string::npos);
  EXPECT_NE(refused("f = torch.batch_norm(f, None, None, None, None, True, 0.1, 1e-5, False)\n    return f, f")
                .find("depends on the others"),
            std::string::npos);
  EXPECT_NE(refused("return f * x.size(0), f").find("how many images"), std::string::npos);
  EXPECT_NE(refused("x.add_(1)\n    return f, f").find("in place"), std::string::npos);
  EXPECT_NE(refused("f = f.view(4, 3)\n    return f, f").find("works on 4 rows at once and not on 1"),
            std::string::npos);
}

TEST_F(ExtractorFile, InputOfAnotherKindIsToldOf) {
  EXPECT_NE(
      refusal("def forward(self, x):\n    f = torch.conv2d(x, torch.ones([2, 3, 1, 1])).mean([2, 3])\n    return f, f")
          .find("x.float() / 255"),
      std::string::npos);
  // A network that reads its input with view() gets the plain layout.
  EXPECT_EQ(refusal("def forward(self, x):\n    f = x.float().view(x.size(0), -1)\n    return f, f"), "accepted");
}

TEST_F(ExtractorFile, FeaturesThatAreNotFiniteAreRefusedWhereTheyAreMade) {
  const Extractor e =
      load("def forward(self, x):\n    f = x.float()\n    f = f.mean([2, 3]) / f.std([2, 3])\n    return f, f");
  const at::Tensor some = at::cat({images, at::full({1, 3, 4, 5}, 7, at::kByte)});
  EXPECT_NO_THROW(e.extract(images, true));
  const auto name = [](int64_t i) { return fmt::format("the picture {}", i); };
  const test::Thrown thrown = test::thrown_by([&] { e.extract(some, false, name); });
  EXPECT_EQ(thrown.code, Exit::data);
  EXPECT_TRUE(test::contains(thrown.message, "the picture 2: the features that e gives are not finite"))
      << thrown.message;
}

TEST_F(ExtractorFile, WhatFailsLaterIsBadData) {
  const Extractor e = load(
      "def forward(self, x):\n    f = x.float().view(x.size(0), 60)\n    assert bool(f.std() > 0), 'one colour'\n    "
      "return f, f");
  const test::Thrown shape = test::thrown_by([&] { e.extract(at::zeros({2, 3, 8, 8}, at::kByte), false); });
  EXPECT_EQ(shape.code, Exit::data);
  EXPECT_TRUE(test::contains(shape.message, "e.pt: forward fails on images [2, 3, 8, 8]")) << shape.message;
  EXPECT_EQ(test::thrown_by([&] { e.extract(at::full_like(images, 255), false); }).code, Exit::data);
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
}  // namespace ddls::metrics::extractor_test
