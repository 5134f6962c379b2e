"""Writes configurations and the names and shapes of the weights that diffusers makes of them: make_shapes.py FOLDER"""
import json,sys
from diffusers import ZImageTransformer2DModel, AutoencoderKL
from transformers import Qwen3Config, Qwen3Model
out=sys.argv[1]
def dump(name,cfg,m):
    with open(f'{out}/{name}.json','w') as f: json.dump(cfg,f,indent=1); f.write('\n')
    with open(f'{out}/{name}.tensors','w') as f:
        for k,p in m.state_dict().items(): f.write(k+' '+'x'.join(map(str,p.shape))+'\n')
c=dict(_class_name='ZImageTransformer2DModel',dim=90,n_heads=3,n_kv_heads=3,n_layers=2,n_refiner_layers=1,axes_dims=[6,12,12],axes_lens=[32,32,32],cap_feat_dim=20,in_channels=4)
def mk(c): return ZImageTransformer2DModel(**{k:v for k,v in c.items() if k[0]!='_'})
dump('transformer-small',c,mk(c))
c=dict(_class_name='ZImageTransformer2DModel',dim=320,n_heads=4,n_kv_heads=4,n_layers=1,n_refiner_layers=2,qk_norm=False,axes_dims=[16,32,32],axes_lens=[32,32,32],cap_feat_dim=20)
dump('transformer-wide',c,mk(c))
for name,bias in (('qwen-plain',False),('qwen-bias',True)):
    c=dict(model_type='qwen3',vocab_size=50,hidden_size=24,intermediate_size=40,num_hidden_layers=3,num_attention_heads=4,num_key_value_heads=2,head_dim=10,attention_bias=bias)
    dump(name,c,Qwen3Model(Qwen3Config(**{k:v for k,v in c.items() if k!='model_type'})))
def vae(name,**c):
    n=len(c['block_out_channels']); c['up_block_types']=['UpDecoderBlock2D']*n
    m=AutoencoderKL(down_block_types=['DownEncoderBlock2D']*n,**c); dump(name,dict(_class_name='AutoencoderKL',**c),m)
vae('vae-two-levels',block_out_channels=[8,16],layers_per_block=1,latent_channels=4,norm_num_groups=4)
vae('vae-four-levels',block_out_channels=[4,8,12,12],layers_per_block=2,latent_channels=16,norm_num_groups=2,use_quant_conv=False,use_post_quant_conv=False,mid_block_add_attention=False)
