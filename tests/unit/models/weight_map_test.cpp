// Weights under foreign names, shapes and orders find their way back.
#include "models/weight_map.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/files.hpp"
#include "models/network.hpp"
#include "models/spectral_norm.hpp"
#include "models/state.hpp"
#include "scratch_folder.hpp"
#include "tensor/safetensors.hpp"
#include "unit/models/published_models.hpp"

namespace ddls::models::weight_map_test {
namespace {

using test::ScratchFolder;
using test::thrown_by;

const SampleShape shape{3, 16, 16};

config::ModelConfig model() {
  config::ModelConfig m = test::sn_resnet({8, 6, 6}, {6, 6, 8}, 2, 5);
  m.latent_dim = 4;
  return m;
}

NetworkPtr network(Role role, uint64_t seed) { return make_network(model(), role, shape, seed); }

void expect_equal(const Network& a, const Network& b) {
  const tensor::NamedTensors other = state_of(b);
  for (const auto& [name, t] : state_of(a)) EXPECT_TRUE(at::equal(t, other.at(name))) << name;
}

constexpr const char* rules = R"(
generator:
  - {theirs: 'transposed\.(.*)', ours: $1, permute: [1, 0]}
  - {theirs: 'row\.(.*)', ours: $1, reshape: [-1]}
  - {theirs: 'table\.(.*)', ours: $1.gains, columns: first, add: 1}
  - {theirs: 'table\.(.*)', ours: $1.offsets, columns: second, add: 1}
  - {theirs: '.*counter'}
  - {theirs: 'own\.(.*)', ours: $1}
discriminator:
  - {theirs: '(.*)', ours: $1}
)";

TEST(WeightMap, UndoesWhatAnotherLayoutDid) {
  const ScratchFolder folder;
  const NetworkPtr from = network(Role::generator, 1), to = network(Role::generator, 2);
  tensor::NamedTensors theirs{{"some.counter", at::zeros({1}, at::kLong)}};
  for (const auto& [name, t] : state_of(*from)) {
    if (name.ends_with(".gains")) {  // gains - 1 and offsets - 1 side by side
      const std::string norm = name.substr(0, name.size() - 6);
      theirs["table." + norm] = at::cat({t, state_of(*from).at(norm + ".offsets")}, 1) - 1;
    } else if (name == "linear.weight") {
      theirs["transposed." + name] = t.t().contiguous();
    } else if (t.dim() == 1) {
      theirs["row." + name] = t.view({1, -1});
    } else if (!name.ends_with(".offsets")) {
      theirs["own." + name] = t;
    }
  }
  tensor::write_safetensors(folder / "g.safetensors", theirs);
  write_file(folder / "map.yaml", rules);
  load_weights(*to, Role::generator, folder / "g.safetensors", folder / "map.yaml");
  expect_equal(*from, *to);

  theirs["transposed.linear.weight"] = theirs["transposed.linear.weight"].flatten();
  tensor::write_safetensors(folder / "g.safetensors", theirs);
  const test::Thrown wrong =
      thrown_by([&] { load_weights(*to, Role::generator, folder / "g.safetensors", folder / "map.yaml"); });
  EXPECT_EQ(wrong.code, Exit::data);
  EXPECT_NE(wrong.message.find("'transposed.linear.weight'"), std::string::npos) << wrong.message;
}

TEST(WeightMap, OrdersPositionsBeforeChannels) {
  const ScratchFolder folder;
  const NetworkPtr from = network(Role::generator, 1), to = network(Role::generator, 2);
  tensor::NamedTensors theirs = state_of(*from);
  for (const char* name : {"linear.weight", "linear.bias"}) {  // [4 * 4 * 8, ...] becomes [8 * 4 * 4, ...]
    const at::Tensor t = theirs.at(name);
    theirs[name] = t.reshape({4, 4, 8, -1}).permute({2, 0, 1, 3}).reshape(t.sizes()).contiguous();
  }
  tensor::write_safetensors(folder / "g.safetensors", theirs);
  write_file(folder / "map.yaml", R"(
generator:
  - {theirs: '(linear\..*)', ours: $1, spatial: 4}
  - {theirs: '((?!linear\.).*)', ours: $1}
)");
  load_weights(*to, Role::generator, folder / "g.safetensors", folder / "map.yaml");
  expect_equal(*from, *to);
}

// What a file lacks of the spectral norm is found from its weights.
TEST(WeightMap, FindsDirectionsThatAreMissing) {
  const ScratchFolder folder;
  const NetworkPtr from = network(Role::discriminator, 1);
  settle_spectral_norm(*from, 500);
  for (const char* left_out : {".v", ".u"}) {
    tensor::NamedTensors theirs = state_of(*from);
    std::erase_if(theirs, [&](const auto& item) {
      return item.first.ends_with(left_out) || (left_out[1] == 'u' && item.first.ends_with(".v"));
    });
    tensor::write_safetensors(folder / "d.safetensors", theirs);
    const NetworkPtr to = network(Role::discriminator, 2);
    load_weights(*to, Role::discriminator, folder / "d.safetensors", {});
    const std::vector<double> expected = spectral_norms(*from), found = spectral_norms(*to);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-3 * expected[i]) << left_out;
  }
}

// Files come from anywhere: each of these once ended the program with a signal.
TEST(WeightMap, RefusesWeightsMadeToHurt) {
  const ScratchFolder folder;
  const NetworkPtr to = network(Role::generator, 1);
  write_file(folder / "map.yaml", "generator: [{theirs: '(.*)', ours: $1, spatial: 4}]");
  const auto refused = [&](const tensor::NamedTensors& weights) {
    tensor::write_safetensors(folder / "g.safetensors", weights);
    return thrown_by([&] { load_weights(*to, Role::generator, folder / "g.safetensors", folder / "map.yaml"); });
  };
  const test::Thrown empty = refused({{"linear.weight", at::zeros({0, 4})}});
  EXPECT_EQ(empty.code, Exit::data) << empty.message;
  const test::Thrown named = refused({{std::string(300'000, 'a'), at::zeros({1})}});
  EXPECT_EQ(named.code, Exit::data);
  EXPECT_NE(named.message.find("has 300000 letters ('aaaaa"), std::string::npos) << named.message;
}

TEST(WeightMap, RefusesMapsThatSayNothing) {
  const ScratchFolder folder;
  const NetworkPtr to = network(Role::generator, 1);
  tensor::write_safetensors(folder / "g.safetensors", state_of(*to));
  const auto refused = [&](const char* map) {
    write_file(folder / "map.yaml", map);
    return thrown_by([&] { load_weights(*to, Role::generator, folder / "g.safetensors", folder / "map.yaml"); });
  };
  for (const char* map : {"discriminator: []", "generator: {}", "generator: [3]", "generator: [{ours: x}]",
                          "generator: [{theirs: '(', ours: x}]", "generator: [{theirs: x, columns: third}]", "{"})
    EXPECT_EQ(refused(map).code, Exit::config) << map;
  EXPECT_EQ(refused("generator: [{theirs: '.*', ours: x}]").code, Exit::data);  // all become one
  EXPECT_EQ(refused("generator: []").code, Exit::data);
}

}  // namespace
}  // namespace ddls::models::weight_map_test
