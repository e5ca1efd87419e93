// Several networks in one pass, and images that are resized before them: as each network alone, at every rank count.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/files.hpp"
#include "metrics/reference_cache.hpp"
#include "mpi/metric_points.hpp"
#include "mpi/world.hpp"
#include "scratch_folder.hpp"
#include "tensor/image_io.hpp"

namespace ddls {
namespace {

namespace fs = std::filesystem;

// Two features of images of a side: the mean, and the pixel in a corner.
metrics::Extractor network(const std::string& name, double factor, const metrics::Resize& resize) {
  metrics::Extractor extractor;
  extractor.name = name;
  extractor.sha256 = std::string(64, name.front());
  extractor.features = 2;
  extractor.classes = 0;
  extractor.resize = resize;
  extractor.run = [factor, resize](const at::Tensor& images, bool) {
    EXPECT_TRUE(!resize.any() || images.size(2) == resize.side);
    EXPECT_EQ(images.scalar_type(), resize.any() && !resize.rounded ? at::kFloat : at::kByte);
    const at::Tensor values = images.to(at::kFloat).select(1, 0);
    return metrics::Features{at::stack({values.mean({1, 2}), values.select(1, 0).select(1, 0)}, 1) * factor, {}};
  };
  return extractor;
}

// Sizes that differ, grey among colour.
metrics::EvaluationSet unlike_images(const fs::path& folder, int64_t count, uint64_t seed) {
  const tensor::Noise noise{seed};
  if (world().root())
    for (int64_t i = 0; i < count; ++i) {
      const std::vector<int64_t> shape{i % 2 == 0 ? 1 : 3, 4 + i % 3, 5};
      const at::Tensor pixels = noise.normal({i, i + 1}, shape[0] * shape[1] * 5, 0, Stream::prior) * 90 + 128;
      write_file(folder / fmt::format("{:03}.png", i),
                 tensor::encode_png(pixels.clamp(0, 255).to(at::kByte).view(shape)));
    }
  world().barrier();
  return metrics::open_evaluation_set(folder.string());
}

// A folder that all ranks see.
class SeveralExtractors : public testing::Test {
 protected:
  SeveralExtractors() {
    folder = world().on_root([&] { return scratch.path().string(); });
    world().on_root([&] {
      fs::create_directories(folder / "fake");
      fs::create_directories(folder / "real");
    });
  }
  ~SeveralExtractors() override { world().barrier(); }
  test::ScratchFolder scratch;
  fs::path folder;
};

config::EvaluateConfig wanted() {
  config::EvaluateConfig c = every_metric();
  c.batch = 4;
  c.metrics = {"fid", "kid", "prdc"};
  return c;
}

TEST_F(SeveralExtractors, have_the_metrics_of_each_alone_and_read_once) {
  const config::EvaluateConfig c = wanted();
  metrics::EvaluationSet fake = unlike_images(folder / "fake", 60, 1), real = unlike_images(folder / "real", 70, 2);
  std::atomic<int64_t> read = 0;
  for (metrics::EvaluationSet* set : {&fake, &real})
    set->read = [&read, inner = set->read](IdRange ids) {
      read += ids.size();
      return inner(ids);
    };
  const metrics::Extractor networks[] = {network("plain", 1, {}), network("bicubic", 1, {"bicubic", 7, true}),
                                         network("floats", 2, {"lanczos", 3, false})};
  std::vector<metrics::MetricContext> contexts;
  for (const metrics::Extractor& one : networks) contexts.push_back({world(), c, &one});
  const auto references = metrics::prepare_references(contexts, real);
  const auto judged = metrics::judge(contexts, fake, references);
  at::Tensor total = at::tensor({read.load()}, at::kLong);
  world().all_reduce(total);
  EXPECT_EQ(total.item<int64_t>(), 130);

  dist::Communicator one = alone();
  for (size_t i = 0; i < contexts.size(); ++i) {
    const metrics::MetricContext own{one, c, &networks[i]};
    const auto reference = metrics::prepare_references({&own, 1}, real);
    const auto expected = metrics::judge({&own, 1}, fake, reference);
    const auto distance = expected[0].metrics["frechet_distance"].get<double>();
    EXPECT_NEAR(judged[i].metrics["frechet_distance"].get<double>(), distance, 1e-9 * distance);
    for (const char* name : {"precision", "recall", "density", "coverage"})
      EXPECT_EQ(judged[i].metrics[name], expected[0].metrics[name]) << name;
    EXPECT_EQ(judged[i].digest, expected[0].digest);
    EXPECT_EQ(judged[i].digest.size(), 16U);
    EXPECT_EQ(references[i].set.digest, reference[0].set.digest);
    EXPECT_NE(references[i].set.digest, judged[i].digest);
    EXPECT_EQ(metrics::protocol_of(contexts[i], judged[i].metrics, 60, references[i])["resize"],
              (std::vector<std::string>{"by the extractor", "bicubic to 7 x 7", "lanczos to 3 x 3, not rounded"})[i]);
  }
  EXPECT_NE(judged[0].metrics["frechet_distance"], judged[1].metrics["frechet_distance"]);
}

TEST_F(SeveralExtractors, kept_statistics_are_of_one_resize) {
  config::EvaluateConfig c = wanted();
  c.metrics = {"fid"};
  c.cache = (folder / "kept").string();
  c.keep_statistics = true;
  const metrics::EvaluationSet fake = unlike_images(folder / "fake", 60, 1),
                               real = unlike_images(folder / "real", 70, 2);
  const metrics::Extractor networks[] = {network("n", 1, {}), network("n", 1, {"bicubic", 7, true}),
                                         network("n", 1, {"bicubic", 7, false}), network("n", 1, {"box", 7, true})};
  std::vector<double> first, again;
  for (std::vector<double>* values : {&first, &again})
    for (const metrics::Extractor& one : networks) {
      const metrics::MetricContext context{world(), c, &one};
      const metrics::Reference reference = metrics::prepare_reference(context, real);
      EXPECT_EQ(reference.set.digest.size(), 16U);
      values->push_back(metrics::metrics_of(context, fake, reference)["frechet_distance"].get<double>());
    }
  EXPECT_EQ(first, again);
  int64_t references = 0, samples = 0;
  for (const auto& entry : fs::directory_iterator(c.cache)) {
    if (entry.path().extension() != ".npz") continue;
    ++(entry.path().filename().string().starts_with("samples-") ? samples : references);
  }
  EXPECT_EQ(references, 4);
  EXPECT_EQ(samples, 4);
  EXPECT_NE(first[1], first[3]);
}

}  // namespace
}  // namespace ddls
