
const S=process.env.SRC??"/work/main/src";
const { selectBackend } = await import(S+"/backends/select.ts");
const { Transformer } = await import(S+"/models/transformer.ts");
const { resolveQuantConfig } = await import(S+"/quant/config.ts");
const { trainStep } = await import(S+"/train/train-step.ts");
const { Adam } = await import(S+"/train/optimizer.ts");
const { StepDropout } = await import(S+"/train/dropout-source.ts");

const report=await selectBackend("wasm"); console.log(report.execution, report.fallbacks);
const stack=(n:string)=>({[n+".num_layers"]:2,[n+".hidden_size"]:128,[n+".num_attention_heads"]:4,[n+".filter_size"]:512});
function make(q:boolean){
  const quant=q?resolveQuantConfig({quant_weight_clip_max:1,quant_act_clip_max:16}):null;
  const model=new Transformer({params:{"modality.dim":128,"modality.timing":"sinusoids","modality.share_source_target_embedding":true,"modality.share_embedding_and_softmax_weights":true,...stack("encoder"),...stack("decoder")},sourceVocabSize:4000,targetVocabSize:4000,quantConfig:quant,seed:3});
  const trained=model.variables;
  return {model,quant,labelSmoothing:0.1,trained,clipNorm:null,clipValue:null,optimizer:new Adam(trained,{beta1:.9,beta2:.98,epsilon:1e-9})};
}
let r=1;const rnd=()=>(r=(r*16807)%2147483647)/2147483647;
const ids=(n:number)=>Int32Array.from({length:n},()=>Math.floor(rnd()*4000));
const L=new Int32Array(32).fill(32);
const batch={size:32,sourceTime:32,targetTime:32,source:ids(1024),sourceLengths:L,target:ids(1024),targetLengths:L,targetInput:ids(1024),indices:L};
const F=make(false),Q=make(true);
const time=async(s:any,i:number)=>{const t=performance.now();const f=await trainStep(s,[batch],new StepDropout(1,i),()=>1e-4);return [performance.now()-t,f.taskLoss];};
const med=(a:number[])=>a.slice().sort((x,y)=>x-y)[a.length>>1];
const N=Number(process.argv[2]??15);
const tfl:number[]=[],tq:number[]=[];
for(let i=0;i<3;i++){await time(F,i);await time(Q,i);}
let l:any;
for(let i=0;i<N;i++){l=await time(F,i);tfl.push(l[0]);const q=await time(Q,i);tq.push(q[0]);l=[l[1],q[1]];}
console.log("float",med(tfl).toFixed(1),Math.min(...tfl).toFixed(1),"qat",med(tq).toFixed(1),Math.min(...tq).toFixed(1),"ratio",(med(tq.map((x,i)=>x/tfl[i]))).toFixed(3),l);
if(process.env.KPROF){
  // per kernel
  const core=(globalThis as any);
}
